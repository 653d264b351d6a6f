"""질문 쌍을 읽습니다."""
import os


def preprocess(data):
    return [line.split('\t') for line in data]


class KinQueryDataset:
    def __init__(self, dataset_path):
        with open(os.path.join(dataset_path, 'train', 'train_data'), 'rt', encoding='utf8') as f:
            self.queries = preprocess(f.read().splitlines())
        with open(os.path.join(dataset_path, 'train', 'train_label')) as f:
            self.labels = [float(x) for x in f.readlines()]

    def __len__(self):
        return len(self.queries)

    def __getitem__(self, idx):
        return self.queries[idx], self.labels[idx]
