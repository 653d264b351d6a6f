# -*- coding: utf-8 -*-
"""질문 두 개가 같은 뜻인지 맞추는 모델: 경로 자체를 파일로 쓰던 때의 방식."""
import argparse
import os
import pickle

import nsml
from dataset import KinQueryDataset, preprocess
from nsml import DATASET_PATH, GPU_NUM, HAS_DATASET, IS_ON_NSML


class Regression(object):
    def __init__(self):
        self.weight = 0.0

    def state_dict(self):
        return {'weight': self.weight}

    def load_state_dict(self, state):
        self.weight = state['weight']


# DONOTCHANGE: They are reserved for nsml
def bind_model(model, config):
    # 학습한 모델을 저장하는 함수입니다.
    def save(filename, *args):
        checkpoint = {'model': model.state_dict()}
        with open(filename, 'wb') as f:
            pickle.dump(checkpoint, f)

    # 저장한 모델을 불러올 수 있는 함수입니다.
    def load(filename, *args):
        with open(filename, 'rb') as f:
            checkpoint = pickle.load(f)
        model.load_state_dict(checkpoint['model'])
        print('Model loaded')

    def infer(raw_data, **kwargs):
        preprocessed = preprocess(raw_data)
        return [(model.weight, int(a == b)) for a, b in preprocessed]

    nsml.bind(save=save, load=load, infer=infer)


if __name__ == '__main__':
    args = argparse.ArgumentParser()
    # DONOTCHANGE: They are reserved for nsml
    args.add_argument('--mode', type=str, default='train')
    args.add_argument('--pause', type=int, default=0)
    args.add_argument('--iteration', type=str, default='0')
    # User options
    args.add_argument('--epochs', type=int, default=2)
    args.add_argument('--lr', type=float, default=1)
    config = args.parse_args()

    if not HAS_DATASET and not IS_ON_NSML:  # It is not running on nsml
        DATASET_PATH = '../sample'

    model = Regression()
    if GPU_NUM:
        model = model.cuda()

    # DONOTCHANGE: Reserved for nsml use
    bind_model(model, config)
    if config.pause:
        nsml.paused(scope=locals())

    if config.mode == 'train':
        dataset = KinQueryDataset(DATASET_PATH)
        for epoch in range(config.epochs):
            avg_loss = 0.0
            for i, (data, label) in enumerate(dataset):
                model.weight += config.lr * label
                avg_loss += 1 / (1 + model.weight)
            print('epoch:', epoch, ' train_loss:', float(avg_loss / len(dataset)))
            nsml.report(summary=True, scope=locals(), epoch=epoch, epoch_total=config.epochs,
                        train__loss=float(avg_loss / len(dataset)), step=epoch)
            # DONOTCHANGE (You can decide how often you want to save the model)
            nsml.save(epoch)
        print('weight', model.weight)

    # 로컬 테스트 모드일때 사용합니다
    elif config.mode == 'test_local':
        with open(os.path.join(DATASET_PATH, 'train/train_data'), 'rt', encoding='utf-8') as f:
            queries = f.read().splitlines()
        print(nsml.infer(queries))
