"""What is done with objects: finding, editing, review, export."""
