"""How a supervisor becomes the program that is installed now, and keeps the processes that it has started."""
