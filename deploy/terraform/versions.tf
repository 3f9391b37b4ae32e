terraform {
  # 1.9: a variable's check may look at another variable.
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

# Where the copies are. Without replication it is not used, but a provider can't be left out.
provider "aws" {
  alias  = "replica"
  region = coalesce(var.replica_region, var.region)
}
