"""Neural networks for tables: choose the activation, the loss and the optimizer, or leave them open."""
