"""The accelerator as a packaged IP: `component.xml` in IP-XACT (IEEE 1685-2009), as Vivado keeps it in repositories."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from nomul.gen.spec.axi import AXI_ADDRESS_BITS, AXI_REGISTERS, axi_address
from nomul.gen.spec.registers import REGISTERS

__all__ = ["BUSES", "IP_VERSION", "LIBRARY", "VENDOR", "component_xml"]

#: With the module's name and `IP_VERSION`, what the IP is called in a block design: ``nomul:accelerator:NAME:1.0``.
VENDOR, LIBRARY, IP_VERSION = "nomul", "accelerator", "1.0"
#: The top module's buses: Vivado's type, and whether the core is their master. A port is called ``BUS_signal``.
BUSES = {"s_axi": ("aximm", False), "s_axis_data": ("axis", False), "s_axis_weights": ("axis", False),
         "m_axis_results": ("axis", True)}

_SPIRIT, _XILINX = "http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009", "http://www.xilinx.com"
_FAMILIES = ("artix7", "kintex7", "virtex7", "zynq")
#: File sets for synthesis and simulation: the names that Vivado gives them, with their views' identifiers.
_VIEWS = (("xilinx_anylanguagesynthesis", ":vivado.xilinx.com:synthesis"),
          ("xilinx_anylanguagebehavioralsimulation", ":vivado.xilinx.com:simulation"))


def component_xml(top: str, ports: Sequence[dict], files: Sequence[str], description: str) -> str:
    """The text of `component.xml`.

    Parameters
    ----------
    top : str
        Name of the top module.
    ports : sequence of dict
        Its ports, as ``{"name", "direction", "bits"}``: clock `aclk`, reset `aresetn`, and those of `BUSES`.
    files : sequence of str
        The Verilog files.
    description : str
        A line for the catalogue.

    Returns
    -------
    str
        The same for the same arguments, byte by byte.
    """
    ET.register_namespace("spirit", _SPIRIT)
    ET.register_namespace("xilinx", _XILINX)
    root = ET.Element(_name("component"))
    _identify(root, VENDOR, LIBRARY, top, IP_VERSION)
    buses = _add(root, "busInterfaces")
    for bus, (kind, master) in BUSES.items():
        signals = {port["name"].removeprefix(f"{bus}_").upper(): port["name"] for port in ports
                   if port["name"].startswith(f"{bus}_")}
        _bus(buses, bus, ("interface", kind), signals, master=master, memory_map="s_axi" if kind == "aximm" else None)
    _bus(buses, "aresetn", ("signal", "reset"), {"RST": "aresetn"}, {"POLARITY": "ACTIVE_LOW"})
    _bus(buses, "aclk", ("signal", "clock"), {"CLK": "aclk"},
         {"ASSOCIATED_BUSIF": ":".join(BUSES), "ASSOCIATED_RESET": "aresetn"})
    _memory_map(_add(root, "memoryMaps"))

    model = _add(root, "model")
    views = _add(model, "views")
    for view, identifier in _VIEWS:
        entry = _add(views, "view")
        for name, text in (("name", view), ("envIdentifier", identifier), ("language", "Verilog"), ("modelName", top)):
            _add(entry, name, text)
        _add(_add(entry, "fileSetRef"), "localName", f"{view}_view_fileset")
    _ports(_add(model, "ports"), ports)
    sets = _add(root, "fileSets")
    for view, _ in _VIEWS:
        entry = _add(sets, "fileSet")
        _add(entry, "name", f"{view}_view_fileset")
        for file in files:
            item = _add(entry, "file")
            _add(item, "name", file)
            _add(item, "fileType", "verilogSource")
    _add(root, "description", description)
    parameter = _add(_add(root, "parameters"), "parameter")
    _add(parameter, "name", "Component_Name")
    _add(parameter, "value", top, resolve="user", id="PARAM_VALUE.Component_Name", order="1")
    extensions = ET.SubElement(_add(root, "vendorExtensions"), f"{{{_XILINX}}}coreExtensions")
    supported = ET.SubElement(extensions, f"{{{_XILINX}}}supportedFamilies")
    for family in _FAMILIES:
        entry = ET.SubElement(supported, f"{{{_XILINX}}}family", {f"{{{_XILINX}}}lifeCycle": "Production"})
        entry.text = family
    taxonomies = ET.SubElement(extensions, f"{{{_XILINX}}}taxonomies")
    ET.SubElement(taxonomies, f"{{{_XILINX}}}taxonomy").text = "/UserIP"
    ET.SubElement(extensions, f"{{{_XILINX}}}displayName").text = top
    ET.SubElement(extensions, f"{{{_XILINX}}}coreRevision").text = "1"
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _name(name: str) -> str:
    return f"{{{_SPIRIT}}}{name}"


def _add(parent: ET.Element, name: str, text: str | None = None, /, **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, _name(name), {_name(key): value for key, value in attributes.items()})
    child.text = text
    return child


def _identify(parent: ET.Element, *values: str) -> None:
    for name, value in zip(("vendor", "library", "name", "version"), values, strict=True):
        _add(parent, name, value)


def _bus(parent: ET.Element, name: str, kind: tuple[str, str], signals: dict[str, str],
         parameters: dict[str, str] | None = None, *, master: bool = False, memory_map: str | None = None) -> None:
    library, bus = kind
    entry = _add(parent, "busInterface")
    _add(entry, "name", name)
    for element, suffix in (("busType", ""), ("abstractionType", "_rtl")):
        _add(entry, element, vendor="xilinx.com", library=library, name=f"{bus}{suffix}", version="1.0")
    mode = _add(entry, "master" if master else "slave")
    if memory_map:
        _add(mode, "memoryMapRef", memoryMapRef=memory_map)
    maps = _add(entry, "portMaps")
    for logical, physical in signals.items():
        pair = _add(maps, "portMap")
        _add(_add(pair, "logicalPort"), "name", logical)
        _add(_add(pair, "physicalPort"), "name", physical)
    if parameters:
        group = _add(entry, "parameters")
        for key, value in parameters.items():
            item = _add(group, "parameter")
            _add(item, "name", key)
            _add(item, "value", value, id=f"BUSIFPARAM_VALUE.{name.upper()}.{key}")


def _memory_map(parent: ET.Element) -> None:
    """The registers, under whose names PYNQ's `register_map` shows them."""
    entry = _add(parent, "memoryMap")
    _add(entry, "name", "s_axi")
    block = _add(entry, "addressBlock")
    _add(block, "name", "registers")
    _add(block, "baseAddress", "0", format="long")
    _add(block, "range", str(1 << AXI_ADDRESS_BITS), format="long")
    _add(block, "width", "32", format="long")
    _add(block, "usage", "register")
    for register in (*REGISTERS, *AXI_REGISTERS):
        item = _add(block, "register")
        _add(item, "name", register.name)
        _add(item, "description", register.meaning)
        _add(item, "addressOffset", f"{axi_address(register.name):#x}")
        _add(item, "size", "32", format="long")
        _add(item, "volatile", "true")
        _add(item, "access", "read-write" if register.writable else "read-only")


def _ports(parent: ET.Element, ports: Sequence[dict]) -> None:
    for port in ports:
        entry = _add(parent, "port")
        _add(entry, "name", port["name"])
        wire = _add(entry, "wire")
        _add(wire, "direction", {"input": "in", "output": "out"}[port["direction"]])
        if port["bits"] > 1:
            vector = _add(wire, "vector")
            _add(vector, "left", str(port["bits"] - 1), format="long")
            _add(vector, "right", "0", format="long")
        definition = _add(_add(wire, "wireTypeDefs"), "wireTypeDef")
        _add(definition, "typeName", "wire")
        for view, _ in _VIEWS:
            _add(definition, "viewNameRef", view)
