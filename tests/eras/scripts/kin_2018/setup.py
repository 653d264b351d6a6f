#nsml: floydhub/pytorch:0.3.0-gpu.cuda8cudnn6-py3.17
"""지식iN 질문 유사도."""
from distutils.core import setup
setup(
    name='nsml Kin query',
    version='1.0',
    description='nsml',
    install_requires =[
    ]
)
