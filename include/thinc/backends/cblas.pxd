from thinc_core.backends.cblas cimport *
