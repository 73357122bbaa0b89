"""
Policies of Stable-Baselines3 and sb3-contrib, without Stable-Baselines3, torch, or their pickles.

::

    inert_pickle    pickles as data              ─┐
    numpy_records   … their arrays                ├─ saved_policy    parse_sb3() → Sb3Policy
    torch_weights   policy.pth                    │  vec_normalize   read_vec_normalize()
    spaces          observation, action spaces    │  actions         raw output → action
    policy_classes  what the class names mean    ─┘
    onnx_graph      the one module with onnx     ─┐
    layers          linear, LSTM, activations     ├─ network         build_onnx() → OnnxPolicy
    features        preprocessing, extractors    ─┘
    backend         a bundle's artifact
"""
