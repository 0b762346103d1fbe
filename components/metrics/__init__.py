"""What the Evaluator computes, by kind of task."""
