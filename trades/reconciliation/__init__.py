"""What was not heard: status queries, what their answers mean, breaks for people."""
