"""학습 데이터를 읽어 피클로 저장합니다."""
import os
import pickle


def train_data_loader(data_path, img_size, output_path):
    print('loading images')
    label_list = []
    img_list = []
    for root, dirs, files in os.walk(data_path):
        for filename in sorted(files):
            with open(os.path.join(root, filename), 'rb') as f:
                img_list.append(f.read()[:img_size[0]])
            label_list.append(filename)
    with open(output_path[0], 'wb') as img_f:
        pickle.dump(img_list, img_f)
    with open(output_path[1], 'wb') as label_f:
        pickle.dump(label_list, label_f)
