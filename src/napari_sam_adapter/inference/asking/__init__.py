"""Many objects of a plane in few passes through the decoder."""
