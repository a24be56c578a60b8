//! How a checked model is run: what is fused, what is dead, in which order.
