# -*- coding: utf-8 -*-
"""영화 평점을 맞추는 모델: 저장 함수가 폴더를 스스로 만들던 때의 방식."""
import argparse
import os

import nsml
from nsml import DATASET_PATH, HAS_DATASET


def bind_model(sess, config):
    def save(dir_name):
        os.makedirs(dir_name)
        with open(os.path.join(dir_name, 'model'), 'w') as f:
            f.write(str(sess['step']))
        with open(os.path.join(dir_name, 'checkpoint'), 'w') as f:
            f.write('model_checkpoint_path: "model"')

    def load(dir_name):
        with open(os.path.join(dir_name, 'checkpoint')) as f:
            assert 'model' in f.read()
        with open(os.path.join(dir_name, 'model')) as f:
            sess['step'] = int(f.read())
        print('모델 로딩 완료!')

    def infer(data):
        return [(0.0, sess['step']) for _ in data]

    nsml.bind(save=save)
    nsml.bind(load=load, infer=infer)


if __name__ == '__main__':
    args = argparse.ArgumentParser()
    args.add_argument('--mode', type=str, default='train')
    args.add_argument('--pause', type=int, default=0)
    args.add_argument('--iteration', type=int, default=0)
    config = args.parse_args()

    sess = {'step': 0}
    bind_model(sess=sess, config=config)
    if config.pause:
        nsml.paused(scope=locals())

    if config.mode == 'train':
        for epoch in range(config.iteration + 1, 4):
            sess['step'] += 1
            nsml.report(summary=True, scope=locals(), epoch=epoch, epoch_total=3,
                        train__loss=1 / epoch, step=epoch)
            if epoch % 2 == 1:
                nsml.save(epoch)
        print('step', sess['step'])
