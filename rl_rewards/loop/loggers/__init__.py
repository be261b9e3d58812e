"""The places beside metrics.jsonl that a run writes its rows to: Weights & Biases, TensorBoard and a CSV file."""
