#!nova: nova/pytorch:1.12-cuda11.3
"""음성 인식."""
from setuptools import setup
setup(name='speech', version='1.0', install_requires=[])
