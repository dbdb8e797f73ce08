"""What happens next: models fitted on the user's own orders and events, judged there before they are published."""
