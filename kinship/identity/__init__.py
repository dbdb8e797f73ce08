"""Who is who: matching, hygiene and admission of evidence, as functions that the models call."""
