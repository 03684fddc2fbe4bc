"""The setuptools commands of thinc_core. Imported by setup.py."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import List

from setuptools import Extension
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.modified import newer_group

from .extensions import DIRECTIVES, ROOT

INCLUDE = ROOT / "include"


class BuildExt(build_ext):
    """Runs Cython when the extensions are compiled, not whenever metadata or an sdist is asked for."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()
        if self.editable_mode:
            # pip gives an editable build fresh temporary folders; with lasting ones the next build compiles only what
            # changed, and no generated C++ lands beside the sources.
            tag = f"{self.plat_name}-{sys.implementation.cache_tag}"
            self.build_temp, self.build_lib = str(ROOT / "build" / f"temp.{tag}"), str(ROOT / "build" / f"lib.{tag}")

    def build_extensions(self) -> None:
        from Cython.Build import cythonize

        # All at once and before the compilers start: Cython itself must not run in several threads.
        folder = os.path.relpath(self.build_temp)
        made = cythonize(self.extensions, build_dir=folder, compiler_directives=DIRECTIVES, force=bool(self.force))
        for extension, cythonized in zip(self.extensions, made):
            extension.sources = cythonized.sources
            extension.depends = [*extension.depends, "build_tools/extensions.py"]  # new flags mean new objects
        self.compile_sources()
        super().build_extensions()

    def compile_sources(self) -> None:
        """Replaces the sources of the extensions by their objects, compiled side by side.

        setuptools would compile those of one extension one after the other, and numpy_ops has most of the work: 89 of
        108 s. On two cores that were busy with other things as well: 68 s.
        """
        with ThreadPoolExecutor(self.parallel or 1) as pool:
            # Those written by hand first: they are the kernels, which take longest.
            jobs = {
                (extension.name, source): pool.submit(self.compile_source, extension, source)
                for by_hand in (True, False)
                for extension in self.extensions
                for source in extension.sources
                if by_hand != source.startswith(os.path.relpath(self.build_temp))
            }
            for extension in self.extensions:
                objects = [jobs[extension.name, source].result() for source in extension.sources]
                extension.depends, extension.sources = [*extension.depends, *extension.sources], []
                extension.extra_objects = [*extension.extra_objects, *objects]

    def compile_source(self, extension: Extension, source: str) -> str:
        """The object of one source, compiled unless it is newer than all that it depends on."""
        (path,) = self.compiler.object_filenames([source], output_dir=self.build_temp)
        if self.force or newer_group([source, *extension.depends], path):
            self.compiler.compile(
                [source],
                output_dir=self.build_temp,
                macros=extension.define_macros,
                include_dirs=extension.include_dirs,
                debug=self.debug,
                extra_postargs=extension.extra_compile_args,
                depends=extension.depends,
            )
        return path


class BuildPy(build_py):
    """Puts the public headers inside the package, where thinc_core.get_include() finds them in a wheel."""

    def headers(self) -> List[Path]:
        return [] if self.editable_mode else sorted(path for path in INCLUDE.rglob("*.*") if path.is_file())

    def header_target(self, header: Path) -> Path:
        return Path(self.build_lib) / "thinc_core" / "include" / header.relative_to(INCLUDE)

    def run(self) -> None:
        super().run()
        for header in self.headers():
            self.mkpath(str(self.header_target(header).parent))
            self.copy_file(str(header), str(self.header_target(header)))

    def get_outputs(self, include_bytecode: bool = True) -> List[str]:
        return super().get_outputs(include_bytecode) + [str(self.header_target(header)) for header in self.headers()]
