// SPDX-License-Identifier: Apache-2.0
#include "hosts/inproc_run/image_id.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace kebound::inproc_run {
namespace {

class ImageIdTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/kebound-image-id-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory = name;
    path = directory + "/program";
    std::ofstream(path) << "no ELF file, so without a build ID";
  }
  void TearDown() override { std::filesystem::remove_all(directory); }

  std::string directory;
  std::string path;
};

TEST_F(ImageIdTest, ABuildIsTheSameWhereverItIs) {
  const FileNow self = look_at_file("/proc/self/exe");
  ASSERT_TRUE(self.readable);
  ASSERT_EQ(self.id.build_id.size(), 20u);
  std::filesystem::copy_file("/proc/self/exe", directory + "/copy");
  const FileNow copy = look_at_file(directory + "/copy");
  EXPECT_NE(copy.id.inode, self.id.inode);
  EXPECT_TRUE(is_same_image(self.id, copy));
  EXPECT_FALSE(is_same_image(self.id, look_at_file("/bin/bash")));
  EXPECT_FALSE(is_same_image(self.id, look_at_file(path)));
}

TEST_F(ImageIdTest, WithoutABuildIdItIsTheVeryFile) {
  const FileNow was = look_at_file(path);
  ASSERT_TRUE(was.readable);
  EXPECT_TRUE(was.id.build_id.empty());
  EXPECT_TRUE(is_same_image(was.id, look_at_file(path)));
  std::ofstream(path) << "written to in place, of equal length";
  EXPECT_FALSE(is_same_image(was.id, look_at_file(path)));
  std::filesystem::copy_file(path, directory + "/other");
  std::filesystem::rename(directory + "/other", path);
  EXPECT_FALSE(is_same_image(was.id, look_at_file(path)));
  std::filesystem::remove(path);
  std::filesystem::copy_file("/proc/self/exe", path);
  EXPECT_FALSE(is_same_image(was.id, look_at_file(path)));
}

TEST_F(ImageIdTest, OneThatIsHeldOpenIsTheSameWhenItsNameIsGone) {
  const FileNow was = look_at_file(path);
  const int fd = open(path.c_str(), O_RDONLY);
  std::filesystem::remove(path);
  const FileNow now = look_at_file("/proc/self/fd/" + std::to_string(fd));
  EXPECT_FALSE(now.has_name);
  EXPECT_TRUE(is_same_image(was.id, now));
  close(fd);
}

TEST_F(ImageIdTest, WhatIsNoFileIsNotTheSameAndWhatIsNotKnownIs) {
  const ImageId was = look_at_file(path).id;
  const std::string fifo = directory + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  for (const auto& other : {fifo, directory, directory + "/nothing", std::string("/dev/zero")}) {
    EXPECT_FALSE(look_at_file(other).readable);
    EXPECT_FALSE(is_same_image(was, look_at_file(other)));
    EXPECT_TRUE(is_same_image({}, look_at_file(other)));
  }
}

TEST_F(ImageIdTest, IsSaidInWords) {
  EXPECT_EQ(describe({"\x01\xab", 1, 2, 3, 4}), "build ID 01ab");
  EXPECT_EQ(describe({"", 0x801, 12, 3400, 1'795'000'000'000'000'001}),
            "inode 12 of device 8:1, 3400 bytes, changed at 1795000000.000000001");
}

}  // namespace
}  // namespace kebound::inproc_run
