# Runs inside the image: says what is installed, and whether it is as RECORD says.
import base64, glob, hashlib, importlib.metadata, json, os, platform

answer = {"Python": platform.python_version(), "Distributions": [], "Commits": {}}
for name in "vllm", "flashinfer-python":
    dist = importlib.metadata.distribution(name)
    wrong = []
    for file in dist.files:
        path = file.locate()
        if not path.exists():
            wrong.append(str(file))
        elif file.hash:
            digest = hashlib.new(file.hash.mode, path.read_bytes()).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
                wrong.append(str(file))
    answer["Distributions"].append({
        "Name": name,
        "Version": dist.version,
        "Installer": (dist.read_text("INSTALLER") or "").strip(),
        "URL": json.loads(dist.read_text("direct_url.json"))["url"],
        "Files": len(dist.files),
        "Wrong": wrong,
    })
for path in glob.glob("/workspace/wheels/.*-commit"):
    with open(path) as f:
        answer["Commits"][os.path.basename(path)] = f.read().strip()
print(json.dumps(answer))
