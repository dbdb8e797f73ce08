"""Sources where they live, other than vendors' APIs: buckets, SFTP folders and databases.

What is new there arrives as files, which extraction then takes in as any other (orchestration/extract/live).
"""
