# -*- coding: utf_8 -*-
"""이미지 검색 모델: 폴더에 파일 하나를 저장하면 그 파일의 경로를 받던 때의 방식."""
import argparse
import os
import pickle

import nsml
from data_loader import train_data_loader
from nsml import DATASET_PATH


def bind_model(model):
    def save(dir_name):
        os.makedirs(dir_name, exist_ok=True)
        with open(os.path.join(dir_name, 'model'), 'wb') as f:
            pickle.dump(model, f)
        print('model saved!')

    def load(file_path):
        with open(file_path, 'rb') as f:
            model.update(pickle.load(f))
        print('model loaded!')

    def infer(queries, db):
        # query 와 reference 의 유사도 순으로 정렬합니다.
        return [(i, (q, [r for r in db if r != q])) for i, q in enumerate(queries)]

    # DONOTCHANGE: They are reserved for nsml
    nsml.bind(save=save, load=load, infer=infer)


if __name__ == '__main__':
    args = argparse.ArgumentParser()
    # hyperparameters
    args.add_argument('--epochs', type=int, default=2)
    # DONOTCHANGE: They are reserved for nsml
    args.add_argument('--mode', type=str, default='train', help='submit일때 해당값이 test로 설정됩니다.')
    args.add_argument('--iteration', type=str, default='0', help='fork 명령어를 입력할때의 체크포인트로 설정됩니다.')
    args.add_argument('--pause', type=int, default=0, help='model 을 load 할때 1로 설정됩니다.')
    config = args.parse_args()

    model = {'epoch': 0}
    bind_model(model)
    if config.pause:
        nsml.paused(scope=locals())

    bTrainmode = False
    if config.mode == 'train':
        bTrainmode = True
        """ Load data """
        output_path = ['./img_list.pkl', './label_list.pkl']
        if nsml.IS_ON_NSML:
            # Caching file
            nsml.cache(train_data_loader, data_path=DATASET_PATH + '/train/train_data', img_size=(4, 4),
                       output_path=output_path)
        else:
            # local에서 실험할경우 dataset의 local-path 를 입력해주세요.
            train_data_loader('../sample/train/train_data', (4, 4), output_path=output_path)
        with open(output_path[0], 'rb') as img_f:
            img_list = pickle.load(img_f)
        for epoch in range(config.epochs):
            model['epoch'] += 1
            nsml.report(summary=True, epoch=epoch, epoch_total=config.epochs, loss=1 / (epoch + 1))
            nsml.save(epoch)
        print('images', len(img_list), 'epoch', model['epoch'])
