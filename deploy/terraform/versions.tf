terraform {
  # From 1.9 on, a variable's validation may refer to another variable.
  required_version = ">= 1.9"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.90, < 7.0"
    }
  }
}

provider "aws" {
  region = var.region
}

# The region of the replica. Terraform requires the provider even without replication.
provider "aws" {
  alias  = "replica"
  region = coalesce(var.replica_region, var.region)
}
