"""What a run folder shows: rows as a DataFrame, the table of a comparison, figures."""
