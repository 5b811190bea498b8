"""Commands on data: look at annotations, and make records of them."""
