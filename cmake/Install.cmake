# SPDX-License-Identifier: Apache-2.0
# `make install`: program, libraries, headers, pkg-config file and CMake package.
include(CMakePackageConfigHelpers)

set(MM_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/modelmanager)
install(TARGETS modelmanager_shared EXPORT modelmanager
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS modelmanager_static
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/modelmanager
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
if(TARGET mm)
  install(TARGETS mm RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

# The archive is not part of the export: what it needs is in the pkg-config file's private parts.
install(EXPORT modelmanager NAMESPACE modelmanager:: FILE modelmanagerTargets.cmake
  DESTINATION ${MM_PACKAGE_DIR})
configure_package_config_file(cmake/modelmanagerConfig.cmake.in
  ${CMAKE_BINARY_DIR}/modelmanagerConfig.cmake INSTALL_DESTINATION ${MM_PACKAGE_DIR})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/modelmanagerConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/modelmanagerConfig.cmake
  ${CMAKE_BINARY_DIR}/modelmanagerConfigVersion.cmake DESTINATION ${MM_PACKAGE_DIR})

# Without a prefix of its own: ${pcfiledir} makes the installed tree movable.
file(RELATIVE_PATH MM_PC_TO_PREFIX
  ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/modelmanager.pc.in ${CMAKE_BINARY_DIR}/modelmanager.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/modelmanager.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
