// SPDX-License-Identifier: Apache-2.0
//
// keywords: a parameter of three keywords, set to each; message levels of each of four kinds. The seeded bugs
// look one further.
#include <iostream>

#include "CoinMessageHandler.hpp"
#include "CoinParam.hpp"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  if (argv[1] == std::string("keyword")) {
    CoinParam parameter("colour", "what it is painted with", "red", 0);
    parameter.appendKwd("green");
    parameter.appendKwd("blue");
    parameter.setKwdVal(2);
    std::cout << parameter.kwdVal() << std::endl;
    return 0;
  }
  CoinMessageHandler handler;
  for (int which = 0; which < 4; ++which) handler.setLogLevel(which, 2);
  handler.setLogLevel(4, 3);
  std::cout << handler.logLevel(3) << std::endl;
  return 0;
}
