from thinc_core.backends.linalg cimport *
