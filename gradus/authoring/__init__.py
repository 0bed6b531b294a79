"""For authors of topics: export, new topics, and the promises that every topic keeps."""
