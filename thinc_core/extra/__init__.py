"""What other packages' Cython code compiles against: beam search."""
