"""The declaration of every op, once: signature, default, docstring and a plain-array body that is the oracle.

One mixin per family; ops.py assembles them into Ops. The bodies use nothing but the array module self.xp, so they run
on NumPy with any float dtype (longdouble too) and on CuPy arrays. The CPU and CUDA kernels have the same stems.
"""
