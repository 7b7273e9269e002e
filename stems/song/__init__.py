"""What is known of one song."""
