"""음성 인식 모델: 2023년의 이름으로."""
import argparse
import os
import pickle

import nova
from nova import DATASET_PATH
from nova.constants import IS_ON_NSML


def bind_model(model, optimizer=None):
    def save(path, *args, **kwargs):
        state = {'model': model['weights'], 'optimizer': optimizer['lr']}
        with open(os.path.join(path, 'model.pt'), 'wb') as f:
            pickle.dump(state, f)
        print('Model saved')

    def load(path, *args, **kwargs):
        with open(os.path.join(path, 'model.pt'), 'rb') as f:
            state = pickle.load(f)
        model['weights'] = state['model']
        print('Model loaded')

    # 추론
    def infer(path, **kwargs):
        return [{'path': name, 'text': '안녕' * model['weights']} for name in sorted(os.listdir(path))]

    nova.bind(save=save, load=load, infer=infer)  # 'nova.bind' function must be called at the end.


if __name__ == '__main__':
    args = argparse.ArgumentParser()
    # DO NOT CHANGE
    args.add_argument('--mode', type=str, default='train')
    args.add_argument('--iteration', type=str, default='0')
    args.add_argument('--pause', type=int, default=0)
    # Parameters
    args.add_argument('--num_epochs', type=int, default=2)
    config = args.parse_args()

    model, optimizer = {'weights': 0}, {'lr': 1e-3}
    bind_model(model, optimizer=optimizer)
    if config.pause:
        nova.paused(scope=locals())

    if config.mode == 'train':
        label = os.path.join(DATASET_PATH if IS_ON_NSML else '../sample', 'train', 'train_label')
        print('labels', len(open(label).readlines()))
        for epoch in range(config.num_epochs):
            model['weights'] += 1
            nova.report(summary=True, epoch=epoch, train_loss=1 / (epoch + 1), train_cer=0.5,
                        step=epoch)
            if epoch % 1 == 0:
                nova.save(epoch)
        print('weights', model['weights'])
