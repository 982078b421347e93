"""What the page draws: figures, the net as a graph, pictures, the explorer."""
