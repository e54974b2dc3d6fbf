"""PYNQ-Z2: the accelerator as an AXI peripheral of a Zynq, with a DMA for images and results and one for memories.

Vivado is not run here; the clock is the processor's FCLK0, which Linux can change at run time, too. The script refuses
a design that misses it.
"""

from nomul.boards.base import BoardError
from nomul.boards.xilinx import XilinxBoard
from nomul.gen import axi_map
from nomul.gen.ip_xact import IP_VERSION, LIBRARY, VENDOR, component_xml
from nomul.gen.manifest import ports_of
from nomul.gen.spec.config import Config
from nomul.gen.verilog import emit_verilog
from nomul.hdl.axi.accelerator import AxiTop
from nomul.hdl.fabric import FabricPlatform

__all__ = ["PynqZ2"]

#: Bytes of a beat of the streams: as wide as the processor's memory ports.
_WIDTH = 8
#: Most bytes of a DMA transfer are two to the power of this, less one.
_LENGTH_BITS = 26


class PynqZ2(XilinxBoard):
    """TUL PYNQ-Z2."""

    name = "pynq-z2"
    summary = "TUL PYNQ-Z2, AMD Zynq XC7Z020: 50 MHz, AXI peripheral of its processor, under PYNQ"
    chip = "XC7Z020"
    clock_hz = 50_000_000
    baud = 0
    link = "AXI4-Lite and DMA, on the board itself"
    preset = "pynq"
    programming = "the driver does, on the board: --port pynq:FILE.bit"

    def describe(self) -> dict:
        """See `Board`: it has no serial line."""
        return {"name": self.name, "summary": self.summary, "clock_hz": self.clock_hz, "stream_bytes": _WIDTH}

    def check(self, config: Config) -> None:
        """See `Board`; raises `BoardError` also for a decoder of coded weights."""
        super().check(config)
        if config.weight_decoder:
            raise BoardError(f"configuration {config.name!r} has weight_decoder, which board {self.name} does without: "
                             "its DMA brings weights as fast as they can be written; leave weight_decoder out")

    def design(self, config: Config) -> AxiTop:
        """See `XilinxBoard.design`."""
        return AxiTop(config, _WIDTH)

    def emit(self, config: Config, top: str) -> tuple[list[dict], dict[str, str]]:
        """See `Board.emit`: Verilog, `component.xml`, registers, and the script for Vivado."""
        self.check(config)
        design = self.design(config)
        ports = ports_of(design)[2:]        # without Amaranth's own clock and reset
        files = {
            f"{top}.v": emit_verilog(design, top, FabricPlatform("xilinx")),
            "component.xml": component_xml(top, ports, [f"{top}.v"],
                                           f"nomul accelerator, configuration {config.hash}"),
            f"{top}.tcl": _script(top, self.part, self.clock_hz), "axi_registers.md": axi_map.page(),
            "axi.h": axi_map.header(),
        }
        return ports, files


def _properties(cell: str, **values: int | str) -> str:
    settings = " ".join(f"CONFIG.{key} {value}" for key, value in values.items())
    return f"set_property -dict [list {settings}] [get_bd_cells {cell}]"


def _dma(name: str, **others: int) -> list[str]:
    width = 8 * _WIDTH
    return [f"create_bd_cell -type ip -vlnv xilinx.com:ip:axi_dma {name}",
            _properties(name, c_include_sg=0, c_sg_include_stscntrl_strm=0, c_sg_length_width=_LENGTH_BITS,
                        c_m_axi_mm2s_data_width=width, c_m_axis_mm2s_tdata_width=width, **others)]


def _script(top: str, part: str, clock_hz: int) -> str:
    design = f"{top}_system"
    interfaces = {
        "ps/M_AXI_GP0": "control/S00_AXI", "control/M00_AXI": "nomul/s_axi", "control/M01_AXI": "dma_data/S_AXI_LITE",
        "control/M02_AXI": "dma_weights/S_AXI_LITE", "dma_data/M_AXIS_MM2S": "nomul/s_axis_data",
        "nomul/m_axis_results": "dma_data/S_AXIS_S2MM", "dma_weights/M_AXIS_MM2S": "nomul/s_axis_weights",
        "dma_data/M_AXI_MM2S": "memory/S00_AXI", "dma_data/M_AXI_S2MM": "memory/S01_AXI",
        "dma_weights/M_AXI_MM2S": "memory/S02_AXI", "memory/M00_AXI": "ps/S_AXI_HP0",
    }
    clocks = ["ps/M_AXI_GP0_ACLK", "ps/S_AXI_HP0_ACLK", "reset/slowest_sync_clk", "control/aclk", "memory/aclk",
              "nomul/aclk", "dma_data/s_axi_lite_aclk", "dma_data/m_axi_mm2s_aclk", "dma_data/m_axi_s2mm_aclk",
              "dma_weights/s_axi_lite_aclk", "dma_weights/m_axi_mm2s_aclk"]
    resets = ["control/aresetn", "memory/aresetn", "nomul/aresetn", "dma_data/axi_resetn", "dma_weights/axi_resetn"]
    return "\n".join([
        f"# Makes {top}.bit and {top}.hwh: vivado -mode batch -source {top}.tcl",
        "cd [file dirname [file normalize [info script]]]",
        f"create_project -force {top} build -part {part}",
        "# With the board's files, the processor is set up for it; without them, Linux has done so before.",
        "set board [lindex [lsort [get_board_parts -quiet *:pynq-z2:*]] end]",
        'if {$board ne ""} { set_property board_part $board [current_project] }',
        "set_property ip_repo_paths [pwd] [current_project]",
        "update_ip_catalog",
        "",
        f"create_bd_design {design}",
        "create_bd_cell -type ip -vlnv xilinx.com:ip:processing_system7 ps",
        "apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 -config \\",
        '    {make_external "FIXED_IO, DDR" apply_board_preset 1 Master Disable Slave Disable} [get_bd_cells ps]',
        _properties("ps", PCW_USE_M_AXI_GP0=1, PCW_USE_S_AXI_HP0=1, PCW_S_AXI_HP0_DATA_WIDTH=8 * _WIDTH,
                    PCW_EN_CLK0_PORT=1, PCW_EN_RST0_PORT=1, PCW_FPGA0_PERIPHERAL_FREQMHZ=f"{clock_hz / 1e6:g}"),
        "create_bd_cell -type ip -vlnv xilinx.com:ip:proc_sys_reset reset",
        f"create_bd_cell -type ip -vlnv {VENDOR}:{LIBRARY}:{top}:{IP_VERSION} nomul",
        *_dma("dma_data", c_m_axi_s2mm_data_width=8 * _WIDTH),
        *_dma("dma_weights", c_include_s2mm=0),
        "create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect control",
        _properties("control", NUM_SI=1, NUM_MI=3),
        "create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect memory",
        _properties("memory", NUM_SI=3, NUM_MI=1),
        "",
        *(f"connect_bd_intf_net [get_bd_intf_pins {one}] [get_bd_intf_pins {other}]"
          for one, other in interfaces.items()),
        *(f"connect_bd_net [get_bd_pins ps/FCLK_CLK0] [get_bd_pins {pin}]" for pin in clocks),
        "connect_bd_net [get_bd_pins ps/FCLK_RESET0_N] [get_bd_pins reset/ext_reset_in]",
        *(f"connect_bd_net [get_bd_pins reset/peripheral_aresetn] [get_bd_pins {pin}]" for pin in resets),
        "assign_bd_address",
        "validate_bd_design",
        "save_bd_design",
        "",
        f"make_wrapper -files [get_files {design}.bd] -top -import",
        f"set_property top {design}_wrapper [current_fileset]",
        "set_property strategy Performance_Explore [get_runs impl_1]",
        "launch_runs impl_1 -to_step write_bitstream -jobs 4",
        "wait_on_run impl_1",
        'if {[get_property PROGRESS [get_runs impl_1]] ne "100%"} { error "a step failed: see build/*.runs" }',
        "open_run impl_1",
        f"report_utilization -file {top}_utilization.txt",
        f"report_timing_summary -file {top}_timing.txt",
        "if {[llength [get_cells -hierarchical -quiet -filter {REF_NAME =~ DSP*}]]} {",
        '    error "there is a multiplier in the design"',
        "}",
        "set slack [get_property STATS.WNS [get_runs impl_1]]",
        "if {$slack < 0} {",
        f'    error "the clock is missed by [expr {{-$slack}}] ns: see {top}_timing.txt, and lower FCLK0"',
        "}",
        f"file copy -force build/{top}.runs/impl_1/{design}_wrapper.bit {top}.bit",
        "# Vivado 2020.2 and later keep what they generate in a folder of its own.",
        f"set handoff [glob build/{top}.{{gen,srcs}}/sources_1/bd/{design}/hw_handoff/{design}.hwh]",
        f"file copy -force [lindex $handoff 0] {top}.hwh",
    ]) + "\n"
