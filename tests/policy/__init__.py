"""Everything here is real: policies are judged by values alone."""
