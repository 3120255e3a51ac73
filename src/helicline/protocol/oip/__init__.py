"""Open Inference Protocol V2 (REST, JSON): the shapes that any inference client speaks."""
