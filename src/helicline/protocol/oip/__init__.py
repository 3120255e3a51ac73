"""Open Inference Protocol V2 (REST, JSON), which inference clients of several vendors use."""
