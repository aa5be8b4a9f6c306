"""The folders of clusters/ that need other machines; tests/clusters checks their files and job lines."""

from ..steps import Elsewhere, Entry, Walked

_SUBMIT = (
    "ray job submit --address http://localhost:8265 --working-dir . -- python -m profl_ray sweep freezing "
)
_ON_CLOUD = "storage.root=/mnt/shared/runs tracking.uri=http://CHANGE-ME-MLFLOW:5000"
_JOB = "the overrides are loaded by tests/clusters/test_readmes.py, its twin of clusters/docker is walked"


def _secret() -> list[Entry]:
    return [
        Walked(
            "mkdir -p -m 700 ~/.profl-ray/token && "
            "(umask 077; openssl rand -hex 32 > ~/.profl-ray/token/auth_token)",
            walk="secrets",
        )
    ]


def _token() -> list[Entry]:
    path = "~/.profl-ray/token/auth_token"
    return [Walked(f"export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH={path}", walk="secrets")]


def _all(reason: str, *texts: str) -> list[Entry]:
    return [Elsewhere(text, reason) for text in texts]


def _launcher(reason: str, file: str) -> list[Entry]:
    return _all(reason, f"ray up {file}", f"ray exec {file} 'ray status'", f"ray dashboard {file}")


_AWS = "needs an account at Amazon"
_GOOGLE = "needs an account at Google"
_HOSTS = (
    "needs hosts with Docker; tests/clusters/test_walk.py has `ray up` and `ray down` with a recording ssh"
)
_KUBERNETES = "needs Kubernetes; the objects are checked by tests/clusters"

PAGES: dict[str, list[Entry | tuple[Entry, ...]]] = {
    "clusters/aws/README.md": [
        Elsewhere("pip install 'ray[default]==2.60.0' boto3", "installs"),
        *_all(
            _AWS,
            "aws ssm get-parameter --name "
            "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
            "aws ssm get-parameter --name "
            "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id",
        ),
        *_secret(),
        *_launcher(_AWS, "clusters/aws/cpu.yaml"),
        *_token(),
        Elsewhere(f"{_SUBMIT}fleet.num_actors=8 {_ON_CLOUD}", f"{_AWS}; {_JOB}"),
        *_all(
            _AWS,
            "aws ec2 describe-spot-price-history",
            "ray down clusters/aws/cpu.yaml",
            "aws ec2 describe-instances --filters Name=tag:ray-cluster-name,Values=profl-ray-cpu",
        ),
    ],
    "clusters/gcp/README.md": [
        Elsewhere("pip install 'ray[default]==2.60.0' google-api-python-client", "installs"),
        *_all(
            _GOOGLE,
            "gcloud auth application-default login",
            "gcloud iam service-accounts create ray-autoscaler-sa-v1",
            "gcloud artifacts repositories add-iam-policy-binding profl --location us-west1 "
            "--role roles/artifactregistry.reader "
            "--member serviceAccount:ray-autoscaler-sa-v1@CHANGE-ME-PROJECT.iam.gserviceaccount.com",
            "gcloud compute images list --project deeplearning-platform-release "
            "--filter family~nvidia --format 'value(family)'",
            "gcloud filestore instances describe NAME",
        ),
        *_secret(),
        *_launcher(_GOOGLE, "clusters/gcp/cpu.yaml"),
        *_token(),
        Elsewhere(f"{_SUBMIT}fleet.num_actors=8 {_ON_CLOUD}", f"{_GOOGLE}; {_JOB}"),
        *_all(
            _GOOGLE,
            "ray down clusters/gcp/cpu.yaml",
            "gcloud compute instances list --filter labels.ray-cluster-name=profl-ray-cpu",
        ),
    ],
    "clusters/kuberay/README.md": [
        *_all(
            _KUBERNETES,
            "helm install kuberay-operator kuberay/kuberay-operator --version 1.6.2 "
            "--namespace kuberay-system --create-namespace",
            "kubectl apply -f clusters/kuberay/namespace.yaml",
            "kubectl -n profl-ray create secret generic profl-ray-token "
            '--from-literal=auth_token="$(openssl rand -hex 32)"',
            "kubectl -n profl-ray create secret generic profl-ray-postgres "
            '--from-literal=password="$(openssl rand -hex 24)"',
            "kubectl apply -k clusters/kuberay",
            "kubectl -n profl-ray get raycluster,pods",
            "kubectl apply -k clusters/kuberay/sweep",
            "kubectl -n profl-ray logs -f job/sweep-freezing",
            "kubectl -n profl-ray port-forward service/mlflow 5000",
            "kubectl delete -k clusters/kuberay/sweep",
            "kubectl -n profl-ray port-forward service/profl-ray-head-svc 8265 &",
            'export RAY_AUTH_MODE=token RAY_AUTH_TOKEN="$(kubectl -n profl-ray get secret profl-ray-token '
            "-o jsonpath='{.data.auth_token}' | base64 -d)\"",
        ),
        Elsewhere(
            f"{_SUBMIT}storage.root=/mnt/shared/runs tracking.uri=http://mlflow:5000",
            f"{_KUBERNETES}; {_JOB}",
        ),
        Elsewhere("kubectl delete -k clusters/kuberay", _KUBERNETES),
    ],
    "clusters/on-premise/README.md": [
        Elsewhere("pip install 'ray[default]==2.60.0'", "installs"),
        *_secret(),
        *_launcher(_HOSTS, "clusters/on-premise/cluster.yaml"),
        *_token(),
        Elsewhere(f"{_SUBMIT}{_ON_CLOUD}", f"{_HOSTS}; {_JOB}"),
        Elsewhere("ray down clusters/on-premise/cluster.yaml", _HOSTS),
    ],
}
