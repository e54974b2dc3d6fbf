"""The accelerator as an AXI peripheral: registers on AXI4-Lite, images, memories and results on AXI4-Streams."""
