"""Decision methods on recorded answers of many vendors' models: an evaluation without a network and without chance."""
