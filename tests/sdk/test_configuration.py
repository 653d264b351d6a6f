"""config(): a session's configuration, and what a script has without one."""

from pathlib import Path

from tests.sdk.conftest import Script


def test_nested_objects_with_attributes(laptop: Script, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"train": {"lr": 0.1}, "layers": [{"units": 16}]}')

    ended = laptop.run(
        """
        import nsml

        config = nsml.config()
        assert config.train.lr == config["train"]["lr"] == 0.1
        assert config.layers[0].units == 16
        assert {**config.train} == {"lr": 0.1}
        config.train.lr = 2
        del config.layers
        assert config == {"train": {"lr": 2}}
        assert nsml.config().train.lr == 0.1
        try:
            config.train.lrr
        except AttributeError as error:
            print(error)
        """,
        NSML_CONFIG=str(tmp_path / "config.yaml"),
    )

    said = "there is no 'lrr' in this part of the configuration: it has 'lr'\n"
    assert (ended.stdout, ended.stderr) == (said, "")


def test_a_laptop_has_the_default(laptop: Script) -> None:
    ended = laptop.run("""
        import pickle
        import nsml

        assert nsml.config() == {}
        config = nsml.config({"train": {"lr": 0.1}})
        assert config.train.lr == 0.1
        assert pickle.loads(pickle.dumps(config)).train.lr == 0.1
        assert not hasattr(config, "__nothing__")
    """)

    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_star_import_leaves_a_module_of_that_name_alone(laptop: Script) -> None:
    ended = laptop.run("""
        config = "mine"
        from nsml import *
        assert config == "mine"
    """)

    assert (ended.returncode, ended.stderr) == (0, "")
