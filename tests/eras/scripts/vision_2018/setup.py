#nsml: nsml/default_ml:tf-1.11_torch-1.0rc
"""이미지 검색."""
from distutils.core import setup
setup(name='nsml image retrieval', version='1.0', install_requires=[])
