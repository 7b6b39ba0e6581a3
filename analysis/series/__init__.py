"""What figures are described in: axes, and the lines, boxes and levels between them."""
