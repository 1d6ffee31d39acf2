// SPDX-License-Identifier: Apache-2.0
#include "trap/elf/unwind_table.h"

#include "trap/elf/encoded_reader.h"
#include "trap/elf/little_endian.h"

namespace kebound::elf {
namespace {

constexpr uint32_t kLoad = 1;
constexpr uint32_t kEhFrameHeader = 0x6474e550;
constexpr uint32_t kExecutable = 1;
constexpr uint16_t kMachine386 = 3;
constexpr uint16_t kMachineX86_64 = 62;

struct ProgramHeader {
  uint32_t type = 0;
  uint32_t flags = 0;
  uint64_t offset = 0;
  uint64_t address = 0;
  uint64_t memory_size = 0;
};

constexpr unsigned entry_size(bool elf64) noexcept { return elf64 ? 56 : 32; }

bool read_program_header(const ProgramHeaders& headers, uint16_t index, MemoryReader memory,
                         ProgramHeader& out) noexcept {
  uint8_t bytes[56];
  const unsigned size = entry_size(headers.elf64);
  if (!memory.read(headers.address + uint64_t{index} * size, bytes, size)) return false;
  out.type = number<uint32_t>(bytes);
  if (headers.elf64) {
    out.flags = number<uint32_t>(bytes + 4);
    out.offset = number<uint64_t>(bytes + 8);
    out.address = number<uint64_t>(bytes + 16);
    out.memory_size = number<uint64_t>(bytes + 40);
  } else {
    out.offset = number<uint32_t>(bytes + 4);
    out.address = number<uint32_t>(bytes + 8);
    out.memory_size = number<uint32_t>(bytes + 20);
    out.flags = number<uint32_t>(bytes + 24);
  }
  return true;
}

// The segment's place in memory; false if it has none that makes sense.
bool place_of(const ProgramHeaders& headers, const ProgramHeader& segment,
              CodeRange& out) noexcept {
  out.begin = headers.bias + segment.address;
  if (!headers.elf64) out.begin &= 0xffffffff;
  out.end = out.begin + segment.memory_size;
  return out.end > out.begin && (headers.elf64 || out.end <= uint64_t{1} << 32);
}

// The head of .eh_frame_hdr, and whether its table lies within it.
void read_table(const CodeRange& place, MemoryReader memory, Image& image) noexcept {
  EncodedReader reader(place.begin, memory, image.elf64, place.begin);
  const uint64_t version = reader.fixed(1);
  const auto frame_encoding = static_cast<uint8_t>(reader.fixed(1));
  const auto count_encoding = static_cast<uint8_t>(reader.fixed(1));
  const auto table_encoding = static_cast<uint8_t>(reader.fixed(1));
  if (!reader.ok() || version != 1) return;
  if (frame_encoding != kEncodingOmit) reader.encoded(frame_encoding);
  const uint64_t count = reader.encoded(count_encoding);
  const unsigned size = encoded_size(table_encoding, image.elf64);
  if (!reader.ok() || table_encoding == kEncodingOmit || size == 0 || reader.address() > place.end)
    return;
  if (count > (place.end - reader.address()) / (2 * size)) return;
  image.header_address = place.begin;
  image.table_address = reader.address();
  image.function_count = count;
  image.table_encoding = table_encoding;
}

struct TableEntry {
  uint64_t begin = 0;
  uint64_t description = 0;  // address of the FDE
};

bool read_entry(const Image& image, uint64_t index, MemoryReader memory, TableEntry& out) noexcept {
  const unsigned size = encoded_size(image.table_encoding, image.elf64);
  EncodedReader reader(image.table_address + index * 2 * size, memory, image.elf64,
                       image.header_address);
  out.begin = reader.encoded(image.table_encoding);
  out.description = reader.encoded(image.table_encoding);
  return reader.ok();
}

// A CIE or FDE: where its content begins and ends.
struct Record {
  uint64_t id_address = 0;  // of the field that tells them apart
  uint64_t id = 0;
  uint64_t content = 0;
  uint64_t end = 0;
};

bool read_record(uint64_t address, MemoryReader memory, bool elf64, Record& out) noexcept {
  EncodedReader reader(address, memory, elf64, 0);
  uint64_t length = reader.fixed(4);
  unsigned id_bytes = 4;
  if (length == 0xffffffff) {
    length = reader.fixed(8);
    id_bytes = 8;
  }
  out.id_address = reader.address();
  out.id = reader.fixed(id_bytes);
  out.content = reader.address();
  out.end = out.id_address + length;
  return reader.ok() && length >= id_bytes && out.end > out.id_address;
}

// How the FDEs of this CIE encode addresses.
bool address_encoding(uint64_t cie_address, MemoryReader memory, bool elf64,
                      uint8_t& encoding) noexcept {
  Record cie;
  if (!read_record(cie_address, memory, elf64, cie) || cie.id != 0) return false;
  EncodedReader reader(cie.content, memory, elf64, 0);
  const uint64_t version = reader.fixed(1);
  if (version != 1 && version != 3 && version != 4) return false;
  char augmentation[8] = {};
  size_t length = 0;
  for (;;) {
    const auto letter = static_cast<char>(reader.fixed(1));
    if (!reader.ok() || length == sizeof augmentation) return false;
    if (letter == 0) break;
    augmentation[length++] = letter;
  }
  encoding = kFormatAddress;
  if (length == 0) return true;
  if (augmentation[0] != 'z') return false;  // of a compiler of the last century
  if (version == 4) reader.skip(2);          // sizes of address and segment selector
  reader.uleb128();                          // alignment of code and data
  reader.sleb128();
  if (version == 1) {
    reader.skip(1);  // the column of the return address
  } else {
    reader.uleb128();
  }
  reader.uleb128();  // length of what follows
  for (size_t i = 1; i < length; ++i) {
    switch (augmentation[i]) {
      case 'R':
        encoding = static_cast<uint8_t>(reader.fixed(1));
        return reader.ok() && reader.address() <= cie.end;
      case 'L':
        reader.skip(1);
        break;
      case 'P': {
        // The personality's address is stepped over: where it points to does not matter.
        const auto personality = static_cast<uint8_t>(reader.fixed(1));
        reader.encoded(personality & kFormatMask);
        break;
      }
      case 'S':
      case 'B':
        break;
      default:
        return false;
    }
  }
  return reader.ok();
}

bool read_function(const Image& image, const TableEntry& entry, MemoryReader memory,
                   CodeRange& out) noexcept {
  Record fde;
  if (!read_record(entry.description, memory, image.elf64, fde) || fde.id == 0) return false;
  uint8_t encoding = 0;
  EncodedReader reader(fde.content, memory, image.elf64, image.header_address);
  if (!address_encoding(reader.cut(fde.id_address - fde.id), memory, image.elf64, encoding)) {
    return false;
  }
  const uint64_t begin = reader.encoded(encoding);
  const uint64_t size = reader.encoded(encoding & kFormatMask);
  if (!reader.ok() || reader.address() > fde.end || begin != entry.begin) return false;
  // Two witnesses for the beginning, and all of it is code.
  const CodeRange* text = text_around(image, begin);
  if (text == nullptr || size == 0 || size > text->end - begin) return false;
  out = {begin, begin + size};
  return true;
}

}  // namespace

bool find_program_headers(uint64_t base, MemoryReader memory, ProgramHeaders& out) noexcept {
  uint8_t bytes[64];
  if (!memory.read(base, bytes, 52)) return false;
  const bool magic = bytes[0] == 0x7f && bytes[1] == 'E' && bytes[2] == 'L' && bytes[3] == 'F';
  if (!magic || bytes[4] < 1 || bytes[4] > 2 || bytes[5] != 1) return false;
  ProgramHeaders headers;
  headers.elf64 = bytes[4] == 2;
  if (headers.elf64 && !memory.read(base, bytes, 64)) return false;
  const auto machine = number<uint16_t>(bytes + 18);
  if (machine != kMachine386 && machine != kMachineX86_64) return false;
  headers.mode = machine == kMachine386 ? CodeMode::Bits32 : CodeMode::Bits64;
  const uint64_t offset =
      headers.elf64 ? number<uint64_t>(bytes + 32) : number<uint32_t>(bytes + 28);
  const auto size = number<uint16_t>(bytes + (headers.elf64 ? 54 : 42));
  headers.count = number<uint16_t>(bytes + (headers.elf64 ? 56 : 44));
  if (size != entry_size(headers.elf64) || headers.count == 0 ||
      headers.count > kMaxProgramHeaders) {
    return false;
  }
  headers.address = base + offset;
  // The segment with the ELF header says what the file calls `base`.
  for (uint16_t i = 0; i < headers.count; ++i) {
    ProgramHeader segment;
    if (!read_program_header(headers, i, memory, segment)) return false;
    if (segment.type != kLoad || segment.offset != 0) continue;
    headers.bias = base - segment.address;
    out = headers;
    return true;
  }
  return false;
}

bool read_image(const ProgramHeaders& headers, MemoryReader memory, Image& out) noexcept {
  if (headers.count > kMaxProgramHeaders) return false;
  Image image;
  image.mode = headers.mode;
  image.elf64 = headers.elf64;
  CodeRange table;
  bool has_table = false;
  for (uint16_t i = 0; i < headers.count; ++i) {
    ProgramHeader segment;
    CodeRange place;
    if (!read_program_header(headers, i, memory, segment)) return false;
    if (!place_of(headers, segment, place)) continue;
    if (segment.type == kEhFrameHeader) {
      table = place;
      has_table = true;
    } else if (segment.type == kLoad && (segment.flags & kExecutable) != 0 &&
               image.text_count < kMaxTextSegments) {
      image.text[image.text_count++] = place;
    }
  }
  if (image.text_count == 0) return false;
  if (has_table) read_table(table, memory, image);
  out = image;
  return true;
}

const CodeRange* text_around(const Image& image, uint64_t address) noexcept {
  for (uint8_t i = 0; i < image.text_count; ++i) {
    if (image.text[i].contains(address)) return &image.text[i];
  }
  return nullptr;
}

bool function_around(const Image& image, uint64_t address, MemoryReader memory,
                     CodeRange& out) noexcept {
  if (text_around(image, address) == nullptr) return false;
  // The last entry that begins at or before the address, if the table is sorted. If it is not,
  // what is found is checked all the same.
  uint64_t low = 0;
  uint64_t high = image.function_count;
  TableEntry found;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    TableEntry entry;
    if (!read_entry(image, middle, memory, entry)) return false;
    if (entry.begin <= address) {
      found = entry;
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  CodeRange range;
  if (low == 0 || !read_function(image, found, memory, range) || !range.contains(address)) {
    return false;
  }
  out = range;
  return true;
}

bool function_at(const Image& image, uint64_t index, MemoryReader memory, CodeRange& out) noexcept {
  TableEntry entry;
  return index < image.function_count && read_entry(image, index, memory, entry) &&
         read_function(image, entry, memory, out);
}

}  // namespace kebound::elf
