"""A bridge on another machine, asked through its admin API: `flowbridge --server URL`."""
