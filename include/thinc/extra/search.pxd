from thinc_core.extra.search cimport *
