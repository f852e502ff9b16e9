"""Messages whose sender does not wait: kept until they were handled, sent again, or dead letters."""
