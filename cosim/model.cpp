// A Verilated design behind a C interface that runs many clock cycles a call; compiled once a design.
// ports.inc, made from the Verilated header, has one line a port:  PORT(name, member, bits, is_output)
// and, if the design has a clock,  #define CLOCK member.

#include <cstdint>
#include <cstring>
#include <vector>

#include "Vdut.h"
#include "verilated.h"

namespace {

struct Port {
    const char* name;
    uint8_t* at;
    uint32_t bytes;
    uint32_t bits;
    bool output;
};

struct Model {
    VerilatedContext context;
    Vdut top{&context};
    std::vector<Port> ports;
    uint64_t cycles = 0;
    // Receiving side of the serial line (see run_serial): what is being sampled, and when next.
    int receive_bit = -1;
    uint32_t receive_wait = 0, received = 0;
    // Sending side: bits still to send, and how long the current one lasts.
    uint32_t send_bits = 0, send_shift = 0, send_wait = 0;

    Model() {
#define PORT(name, member, bits, is_output) \
    ports.push_back({name, reinterpret_cast<uint8_t*>(&top.member), sizeof(top.member), bits, is_output});
#include "ports.inc"
#undef PORT
        // Without an evaluation at clock = 0 the first rising edge would go unnoticed.
        top.eval();
    }

    void clock(int level) {
#ifdef CLOCK
        top.CLOCK = level;
#endif
        top.eval();
    }

    // The low half of a cycle: inputs take effect and outputs settle, as they are sampled by the coming edge.
    void settle() { clock(0); }

    void edge() {
        clock(1);
        cycles++;
    }

    uint32_t words(int port) const { return (ports[port].bits + 31) / 32; }

    void set(int port, const uint32_t* value) {
        const Port& p = ports[port];
        uint32_t count = words(port);
        uint32_t masked[2];
        if (count <= 2) {  // Verilator relies on unused high bits being 0.
            uint64_t v = value[0] | (count == 2 ? uint64_t(value[1]) << 32 : 0);
            if (p.bits < 64) v &= (uint64_t(1) << p.bits) - 1;
            masked[0] = uint32_t(v), masked[1] = uint32_t(v >> 32);
            std::memcpy(p.at, masked, p.bytes);
        } else {
            std::memcpy(p.at, value, p.bytes);
            if (p.bits % 32) {
                uint32_t last;
                std::memcpy(&last, p.at + 4 * (count - 1), 4);
                last &= (uint32_t(1) << p.bits % 32) - 1;
                std::memcpy(p.at + 4 * (count - 1), &last, 4);
            }
        }
    }

    void get(int port, uint32_t* value) const {
        const Port& p = ports[port];
        std::memset(value, 0, 4 * words(port));
        std::memcpy(value, p.at, p.bytes);
    }

    uint8_t& byte(int port) { return *ports[port].at; }
};

}  // namespace

extern "C" {

Model* model_new() { return new Model; }

void model_delete(Model* m) {
    m->top.final();
    delete m;
}

int model_ports(Model* m) { return int(m->ports.size()); }

const char* model_port(Model* m, int port, uint32_t* bits, uint32_t* output) {
    *bits = m->ports[port].bits;
    *output = m->ports[port].output;
    return m->ports[port].name;
}

uint64_t model_cycles(Model* m) { return m->cycles; }

void model_set(Model* m, int port, const uint32_t* value) { m->set(port, value); }

void model_get(Model* m, int port, uint32_t* value) { m->get(port, value); }

void model_eval(Model* m) { m->top.eval(); }

void model_tick(Model* m, uint64_t n) {
    while (n--) {
        m->settle();
        m->edge();
    }
}

// Row k of `in` goes to the input ports, row k of `out` has the output ports before the clock edge k.
// Each port takes its whole number of 32-bit words.
void model_run(Model* m, uint64_t cycles, int n_in, const int* in_ports, const uint32_t* in, int n_out,
               const int* out_ports, uint32_t* out) {
    while (cycles--) {
        for (int i = 0; i < n_in; i++) {
            m->set(in_ports[i], in);
            in += m->words(in_ports[i]);
        }
        m->settle();
        for (int i = 0; i < n_out; i++) {
            m->get(out_ports[i], out);
            out += m->words(out_ports[i]);
        }
        m->edge();
    }
}

// Pushes `in` into a byte stream and collects the bytes of another; never stalls. `streams` has payload, valid and
// ready of the input, then of the output. Returns when the output is full, after `max_cycles`, or when no byte has
// moved on either stream for `quiet` cycles (for `patience` cycles while nothing has come out).
void model_run_bytes(Model* m, const int* streams, const uint8_t* in, uint64_t n_in, uint64_t* accepted,
                     uint8_t* out, uint64_t capacity, uint64_t* produced, uint64_t quiet, uint64_t patience,
                     uint64_t max_cycles) {
    uint8_t &i_payload = m->byte(streams[0]), &i_valid = m->byte(streams[1]), &i_ready = m->byte(streams[2]);
    uint8_t &o_payload = m->byte(streams[3]), &o_valid = m->byte(streams[4]), &o_ready = m->byte(streams[5]);
    uint64_t taken = 0, count = 0, silence = 0;
    while (count < capacity && max_cycles-- && silence < (count ? quiet : patience)) {
        i_valid = taken < n_in;
        if (i_valid) i_payload = in[taken];
        o_ready = 1;
        m->settle();
        silence++;
        if (i_valid && i_ready) taken++, silence = 0;
        if (o_valid) out[count++] = o_payload, silence = 0;
        m->edge();
    }
    i_valid = o_ready = 0;
    m->top.eval();
    *accepted = taken;
    *produced = count;
}

// The same over a serial line of 8 data bits, no parity, one stop bit, with `divisor` cycles a bit: `pins` has the
// design's receiving and sending pin. A byte that is half-way when a call returns goes on in the next.
void model_run_serial(Model* m, const int* pins, uint32_t divisor, const uint8_t* in, uint64_t n_in,
                      uint64_t* accepted, uint8_t* out, uint64_t capacity, uint64_t* produced, uint64_t quiet,
                      uint64_t patience, uint64_t max_cycles) {
    uint8_t &rx = m->byte(pins[0]), &tx = m->byte(pins[1]);
    uint64_t taken = 0, count = 0, silence = 0;
    while (count < capacity && max_cycles-- && silence < (count ? quiet : patience)) {
        if (m->send_wait == 0 && m->send_bits == 0 && taken < n_in) {
            m->send_shift = uint32_t(in[taken++]) << 1 | 0x200;  // start bit 0, data, stop bit 1
            m->send_bits = 10;
        }
        if (m->send_wait == 0 && m->send_bits) {
            rx = m->send_shift & 1;
            m->send_shift >>= 1;
            m->send_bits--;
            m->send_wait = divisor;
        } else if (m->send_wait == 0) {
            rx = 1;
        }
        bool sending = m->send_wait != 0;
        if (sending) m->send_wait--;
        m->settle();
        bool receiving = m->receive_bit >= 0;
        if (!receiving && tx == 0) {
            m->receive_bit = 0;
            m->receive_wait = divisor / 2;  // to the middle of the start bit
        }
        if (m->receive_bit >= 0 && m->receive_wait-- == 0) {
            if (m->receive_bit >= 1 && m->receive_bit <= 8)
                m->received = m->received >> 1 | uint32_t(tx) << 7;
            m->receive_wait = divisor - 1;
            if (++m->receive_bit == 10) {
                out[count++] = uint8_t(m->received);
                m->receive_bit = -1;
            }
        }
        silence = sending || receiving ? 0 : silence + 1;
        m->edge();
    }
    *accepted = taken;
    *produced = count;
}

}  // extern "C"
