"""Where weight files are: shipped, downloaded, imported. Free of torch."""
