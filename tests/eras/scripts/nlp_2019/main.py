"""감성 분류 모델: 저장과 불러오기가 모두 폴더를 받는 방식."""
import argparse
import copy as cp
import json
import os

import nsml
from nsml import *

GPU = bool(GPU_NUM)


class Model:
    def __init__(self, hidden):
        self.hidden, self.weight = hidden, 0


def save(dir_path, **kwargs):
    with open(os.path.join(dir_path, 'model.json'), 'w') as f:
        json.dump(vars(kwargs['model']), f)
    with open(os.path.join(dir_path, 'vocab.txt'), 'w') as f:
        f.write('왜')


def load(dir_path, **kwargs):
    loaded = Model(0)
    with open(os.path.join(dir_path, 'model.json')) as f:
        loaded.__dict__ = json.load(f)
    nsml.copy(loaded, kwargs['model'])
    print('loaded', kwargs['model'].weight)


def infer(path, **kwargs):
    return [kwargs['model'].weight for _ in os.listdir(path)]


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--mode', type=str, default='train')
    parser.add_argument('--pause', type=int, default=0)
    parser.add_argument('--iteration', type=str, default='')
    parser.add_argument('--hidden', type=int, default=8)
    args = parser.parse_args()

    model = Model(args.hidden)
    nsml.bind(save, load, infer, model=model)
    nsml.save('best')  # 학습 전의 모델
    if args.pause:
        nsml.paused(scope=locals())

    if args.mode == 'train':
        before = cp.deepcopy(model)
        viz = nsml.Visdom(visdom=None)
        win = viz.line(Y=[0], X=[0], opts=dict(title='bleu', legend=['val']))
        for step in range(1, 4):
            model.weight += 1
            nsml.report(False, step=step, lr=0.1, **{'loss/train': 1 / step, 'loss/val': 2 / step})
            nsml.report(True, val__acc=step / 4, step=step)
            viz.line(Y=[step * 10], X=[step], win=win, update='append', name='val')
            viz.text('<h3>%d</h3>' % step, win='sample')
            if step == 2:
                nsml.save('best')
        nsml.save()
        nsml.save('last', save_fn=lambda path: save(path, model=before))
        nsml.load(checkpoint='best')
        nsml.load('last', session=SESSION_NAME)
        world = max(len(PARALLEL_WORLD), 1)
        if NSML_NFS_OUTPUT:
            with open(os.path.join(NSML_NFS_OUTPUT, 'log.txt'), 'a') as f:
                f.write('done')
        print('world', world, MY_RANK, 'shared', bool(NSML_NFS_OUTPUT))
